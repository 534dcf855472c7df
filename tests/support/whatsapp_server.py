"""`rookery serve` with workers that trust the simulator; the environment says which (see `WhatsAppSimulator.environment`)."""

import sys

from rookery_http import compose
from rookery_http.config.load import load
from rookery_whatsapp import WhatsApp
from support.whatsapp_engine import trusting

if __name__ == "__main__":
    config = load()
    compose.providers = lambda config: [WhatsApp(data_dir=config.storage.directory, worker_command=trusting())]
    sys.exit(compose.run_server(config))
