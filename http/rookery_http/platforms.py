"""Makes the platforms of a server from its settings, for `rookery serve`, which runs them, and for `rookery doctor`,
which checks them without starting a server."""

from __future__ import annotations

import sys

from rookery.log import get_logger
from rookery.provider.contract import Provider
from rookery_telegram import Telegram
from rookery_whatsapp import WhatsApp, WorkerSettings

from .config.load import Config

log = get_logger("API")


def providers(config: Config) -> list[Provider]:
    """The platforms of this server."""
    worker = None
    if config.platforms.whatsapp_worker is not None:
        worker = [sys.executable, "-m", *config.platforms.whatsapp_worker.split()]
        log.info("WhatsApp workers are those of a simulator", worker=config.platforms.whatsapp_worker)
    return [
        Telegram(
            api_url=config.platforms.telegram_api_url,
            poll_timeout=config.platforms.telegram_poll_timeout,
            ca_bundle=config.engine.ca_bundle,
            proxy=config.platforms.telegram_proxy,
            local_files=config.platforms.telegram_local_files,
        ),
        # Needs neonize only in its workers: without it, a WhatsApp session's error names what to install.
        WhatsApp(
            data_dir=config.storage.directory,
            database_url=config.storage.database_url,
            secret_key=config.storage.secret_key,
            sessions_per_worker=config.platforms.whatsapp_sessions_per_worker,
            qr_rounds=config.platforms.whatsapp_qr_rounds,
            worker_command=worker,
            workers=WorkerSettings(
                allow_private_urls=config.engine.webhook_allow_private, ca_bundle=config.engine.ca_bundle
            ),
        ),
    ]
