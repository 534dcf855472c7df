-- oldest: 6
-- The history of a phone reaches only webhooks that name it. The same types as `QUIET_TYPES` in rookery.model.subscription.
CREATE OR REPLACE FUNCTION rookery.names_1(type text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(name) FROM (
        SELECT type AS name
        UNION ALL
        SELECT array_to_string((string_to_array(type, '.'))[1:n], '.') || '.*'
        FROM generate_series(1, cardinality(string_to_array(type, '.'))) AS n
        UNION ALL
        SELECT '*' WHERE type NOT IN (
            'message.status', 'session.qr', 'session.pairing_code', 'history.message', 'history.chat'
        )
    ) AS names
$$;
