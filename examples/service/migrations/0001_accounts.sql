CREATE TABLE accounts (name TEXT PRIMARY KEY, cents BIGINT NOT NULL CHECK (cents >= 0));
CREATE TABLE transfers (id BIGINT GENERATED ALWAYS AS IDENTITY, sender TEXT, receiver TEXT, cents BIGINT);
INSERT INTO accounts VALUES ('ann', 100000), ('bob', 100000), ('vault', 100000);
