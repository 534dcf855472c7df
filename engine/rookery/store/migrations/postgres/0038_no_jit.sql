-- oldest: 6
-- A plan with a disabled step looks so expensive that PostgreSQL would compile it, which takes 50 ms each time.
ALTER FUNCTION rookery.record_sends_4(
    bigint, text, bigint, text[], text[], double precision[], text[], text[], jsonb, boolean) SET jit = off;
