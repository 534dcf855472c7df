-- Scheduled sends are counted by session, without looking at the others.
CREATE INDEX messages_waiting ON messages (uid) WHERE state = 'scheduled';
