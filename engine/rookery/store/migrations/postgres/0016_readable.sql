-- oldest: 6
-- A text here that is no JSON would make storing events fail for every session.
ALTER TABLE rookery.webhooks
    ADD CONSTRAINT webhooks_events_json CHECK (events IS NULL OR events::jsonb IS NOT NULL) NOT VALID,
    ADD CONSTRAINT webhooks_chats_json CHECK (chats IS NULL OR chats::jsonb IS NOT NULL) NOT VALID;
