-- Calls that never left (refused by a breaker or a budget) took no time: they are left out of the average.
ALTER TABLE call_totals ADD COLUMN untimed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE call_minutes ADD COLUMN untimed BIGINT NOT NULL DEFAULT 0;
