-- oldest: 6
-- Scheduled sends are counted by session, without looking at the others.
CREATE INDEX messages_waiting ON rookery.messages (uid) WHERE state = 'scheduled';
