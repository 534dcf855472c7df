-- oldest: 6
-- A status whose write was given up, and which arrives after a later one, changes nothing: the writes under a lease are
-- counted. An older Rookery on the same database does not look at the count.
ALTER TABLE rookery.sessions ADD COLUMN told_fence bigint, ADD COLUMN told_number bigint;

-- As `record_statuses_2`, which did not look at the count.
CREATE FUNCTION rookery.record_statuses_3(
    uids bigint[], owners text[], fences bigint[], statuses text[], reasons text[], details text[],
    sinces double precision[], actions text[], last_errors text[], retries double precision[], heededs bigint[],
    numbers bigint[], code_types text[], codes bytea[], history_length integer
) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    stale integer[] := '{}';
    told bigint[] := '{}';
    old record;
    changed boolean;
    number bigint;
BEGIN
    PERFORM 1 FROM rookery.sessions WHERE uid = ANY (uids) ORDER BY uid FOR NO KEY UPDATE;
    FOR n IN 1 .. cardinality(uids) LOOP
        SELECT id, platform, status, reason, enabled, told_fence, told_number INTO old FROM rookery.sessions
        WHERE uid = uids[n] AND owner = owners[n] AND fence = fences[n];
        IF NOT FOUND THEN
            stale := stale || n;
            CONTINUE;
        END IF;
        IF old.told_fence = fences[n] AND old.told_number >= numbers[n] THEN
            CONTINUE;
        END IF;
        UPDATE rookery.sessions SET status = statuses[n], reason = reasons[n], detail = details[n], since = sinces[n],
            action = actions[n], last_error = last_errors[n], next_retry_at = retries[n], heeded = heededs[n],
            updated_at = extract(epoch FROM clock_timestamp()),
            told_fence = fences[n], told_number = numbers[n]
        WHERE uid = uids[n];
        changed := old.status <> statuses[n] OR old.reason <> reasons[n];
        IF changed THEN
            INSERT INTO rookery.history (uid, status, reason, detail, at)
            VALUES (uids[n], statuses[n], reasons[n], details[n], sinces[n]);
            DELETE FROM rookery.history WHERE uid = uids[n] AND seq <= (
                SELECT seq FROM rookery.history WHERE uid = uids[n] ORDER BY seq DESC OFFSET history_length LIMIT 1);
        END IF;
        IF changed OR codes[n] IS NOT NULL THEN
            PERFORM pg_advisory_xact_lock({lock}, 1);  -- see `append_3`
        END IF;
        IF changed THEN
            INSERT INTO rookery.events
                (uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
            VALUES (uids[n], -2, fences[n] || '.' || numbers[n], old.id, old.platform, 'session.status', sinces[n], NULL, NULL,
                convert_to(json_build_object(
                    'status', statuses[n], 'reason', reasons[n], 'detail', details[n], 'action', actions[n],
                    'previous', old.status, 'enabled', old.enabled, 'owner', owners[n])::text, 'UTF8'),
                convert_to('null', 'UTF8'), extract(epoch FROM clock_timestamp()))
            ON CONFLICT (uid, epoch, key) DO NOTHING RETURNING id INTO number;
            IF FOUND THEN
                told := told || number;
            END IF;
        END IF;
        IF codes[n] IS NOT NULL THEN
            INSERT INTO rookery.events
                (uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
            VALUES (uids[n], -2, fences[n] || '.' || numbers[n] || '.code', old.id, old.platform, code_types[n], sinces[n],
                NULL, NULL, codes[n], convert_to('null', 'UTF8'), extract(epoch FROM clock_timestamp()))
            ON CONFLICT (uid, epoch, key) DO NOTHING RETURNING id INTO number;
            IF FOUND THEN
                told := told || number;
            END IF;
        END IF;
    END LOOP;
    IF cardinality(told) > 0 THEN
        PERFORM rookery.address_1(told);
        PERFORM rookery.notify_1('events', '');
    END IF;
    RETURN stale;
END $$;
