-- Aggregates kept by increments, in the transaction that inserts the rows they count.
--
-- depends: 0001.create-events
--
-- account_id is '' for events without one: a primary key holds no NULL, and an analyst wants one row for them, not many.
-- Sums, not means, are stored because only sums can be added to; quality_mean is computed on reading. Sums have 38
-- digits so that no number of events with amounts of 20 digits overflows them.
CREATE TABLE IF NOT EXISTS events_summary_hourly (
    hour_start       DATETIME       NOT NULL COMMENT 'UTC hour of occurred_at',
    account_id       VARCHAR(255)   NOT NULL,
    business_context VARCHAR(64)    NOT NULL,
    type             VARCHAR(255)   NOT NULL,
    event_count      BIGINT         NOT NULL,
    amount_sum       DECIMAL(38, 4) NOT NULL,
    quality_sum      DECIMAL(38, 4) NOT NULL,
    quality_min      DECIMAL(5, 4)  NOT NULL,
    quality_mean     DECIMAL(5, 4) GENERATED ALWAYS AS (quality_sum / event_count) VIRTUAL,
    last_event_at    DATETIME(6)    NOT NULL,
    PRIMARY KEY (hour_start, account_id, business_context, type),
    KEY by_account (account_id, hour_start)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

CREATE TABLE IF NOT EXISTS events_summary_daily (
    event_date       DATE           NOT NULL COMMENT 'UTC day of occurred_at',
    account_id       VARCHAR(255)   NOT NULL,
    business_context VARCHAR(64)    NOT NULL,
    type             VARCHAR(255)   NOT NULL,
    event_count      BIGINT         NOT NULL,
    amount_sum       DECIMAL(38, 4) NOT NULL,
    quality_sum      DECIMAL(38, 4) NOT NULL,
    quality_min      DECIMAL(5, 4)  NOT NULL,
    quality_mean     DECIMAL(5, 4) GENERATED ALWAYS AS (quality_sum / event_count) VIRTUAL,
    last_event_at    DATETIME(6)    NOT NULL,
    PRIMARY KEY (event_date, account_id, business_context, type),
    KEY by_account (account_id, event_date)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;

-- Minute windows as the worker counted them: every increment of the analytics topic, added up.
CREATE TABLE IF NOT EXISTS events_analytics (
    window_start     DATETIME       NOT NULL COMMENT 'UTC minute of occurred_at',
    account_id       VARCHAR(255)   NOT NULL,
    business_context VARCHAR(64)    NOT NULL,
    type             VARCHAR(255)   NOT NULL,
    event_count      BIGINT         NOT NULL,
    amount_sum       DECIMAL(38, 4) NOT NULL,
    quality_sum      DECIMAL(38, 4) NOT NULL,
    quality_mean     DECIMAL(5, 4) GENERATED ALWAYS AS (quality_sum / event_count) VIRTUAL,
    processed_at     DATETIME(6)    NOT NULL COMMENT 'UTC, worker time of the latest increment',
    PRIMARY KEY (window_start, account_id, business_context, type),
    KEY by_account (account_id, window_start)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_0900_bin;
