"""The schema of a PostgreSQL store: tables, functions, the number of their format. SQL and nothing else.

A commit is one call of `commit_rows`: one round trip, one transaction, and no lock is ever held while a client is
waited for. An advisory lock lets one commit of a store at a time through, whatever process it comes from; every
statement after it sees all that was committed before (the functions are volatile, the isolation read committed). So
commits are serial, cannot deadlock, and a number of an append is taken and made durable in one go.
"""

from __future__ import annotations

import asyncpg

from ...errors import Invalid, PermissionDenied

FORMAT = 1
LOCK = 0x454D5247  # "EMRG": the class of our advisory locks

_TABLES = """
CREATE TABLE rows (
    space text COLLATE "C" NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (space, key)
);
ALTER TABLE rows ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE TABLE counters (space text COLLATE "C" PRIMARY KEY, last bigint NOT NULL);
CREATE TABLE writers (id bytea PRIMARY KEY, number bigint NOT NULL, given bigint[], seen timestamptz NOT NULL);
CREATE TABLE emerge (format integer NOT NULL);
"""

_TAKE_TURN = f"PERFORM pg_advisory_xact_lock({LOCK}, 'rows'::regclass::oid::int);"

# Lists that belong together run in parallel. `used`: what these keys must hold (NULL: absent). `count`: so many keys
# are in these ranges. `gone` and `row`: to delete and to put. `new`: values to append to the space at that place of
# `append_spaces`, which get the numbers from bases[place] + 1 on, `append_many` in all.
# When a condition fails nothing is written: `wrong` are the places of the keys, `held` what they hold, `miscounted`
# the places of the ranges.
_COMMIT = f"""
CREATE FUNCTION commit_rows(
    writer bytea, turn bigint,
    used_spaces text[], used_keys bytea[], used_values bytea[],
    count_spaces text[], count_starts bytea[], count_ends bytea[], count_wanted bigint[],
    gone_spaces text[], gone_keys bytea[],
    row_spaces text[], row_keys bytea[], row_values bytea[],
    append_spaces text[], append_many bigint[],
    new_places int[], new_numbers bigint[], new_values bytea[],
    OUT applied boolean, OUT wrong int[], OUT held bytea[], OUT miscounted int[], OUT bases bigint[]
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    counted bigint;
    base bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'commit_rows needs the isolation level read committed';
    END IF;
    {_TAKE_TURN}
    IF cardinality(used_keys) > 0 THEN
        SELECT array_agg(c.place - 1), array_agg(c.now) INTO wrong, held
        FROM (
            SELECT u.place::int, u.value, (SELECT r.value FROM rows r WHERE r.space = u.space AND r.key = u.key) AS now
            FROM unnest(used_spaces, used_keys, used_values) WITH ORDINALITY AS u(space, key, value, place)
            OFFSET 0
        ) c WHERE c.now IS DISTINCT FROM c.value;
    END IF;
    FOR i IN 1 .. cardinality(count_spaces) LOOP
        IF count_ends[i] IS NULL THEN
            SELECT count(*) INTO counted FROM (
                SELECT FROM rows r WHERE r.space = count_spaces[i] AND r.key >= count_starts[i]
                LIMIT count_wanted[i] + 1
            ) c;
        ELSE
            SELECT count(*) INTO counted FROM (
                SELECT FROM rows r
                WHERE r.space = count_spaces[i] AND r.key >= count_starts[i] AND r.key < count_ends[i]
                LIMIT count_wanted[i] + 1
            ) c;
        END IF;
        IF counted <> count_wanted[i] THEN
            miscounted := miscounted || (i - 1);
        END IF;
    END LOOP;
    applied := wrong IS NULL AND miscounted IS NULL;
    IF NOT applied OR writer IS NULL THEN
        RETURN;
    END IF;
    IF cardinality(gone_keys) > 0 THEN
        DELETE FROM rows r USING unnest(gone_spaces, gone_keys) AS g(space, key)
        WHERE r.space = g.space AND r.key = g.key;
    END IF;
    IF cardinality(row_keys) > 0 THEN
        INSERT INTO rows AS r (space, key, value) SELECT * FROM unnest(row_spaces, row_keys, row_values)
        ON CONFLICT (space, key) DO UPDATE SET value = excluded.value;
    END IF;
    bases := '{{}}';
    IF cardinality(append_spaces) > 0 THEN
        FOR i IN 1 .. cardinality(append_spaces) LOOP
            INSERT INTO counters AS c (space, last) VALUES (append_spaces[i], append_many[i])
            ON CONFLICT (space) DO UPDATE SET last = c.last + excluded.last RETURNING c.last INTO base;
            bases := bases || (base - append_many[i]);
        END LOOP;
        INSERT INTO rows AS r (space, key, value)
        SELECT append_spaces[n.place], int8send(bases[n.place] + n.number), n.value
        FROM unnest(new_places, new_numbers, new_values) AS n(place, number, value)
        ON CONFLICT (space, key) DO UPDATE SET value = excluded.value;
    END IF;
    INSERT INTO writers AS w (id, number, given, seen) VALUES (writer, turn, bases, now())
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, given = excluded.given, seen = excluded.seen
    WHERE w.number < excluded.number;
    IF NOT FOUND THEN
        RAISE 'this commit comes too late: its writer has given it up';
    END IF;
END $$;
"""

# Whether a commit was applied, and then its bases; one that was not can never be from here on.
_SETTLE = f"""
CREATE FUNCTION settle_commit(writer bytea, turn bigint, OUT applied boolean, OUT bases bigint[])
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    {_TAKE_TURN}
    SELECT w.number = turn AND w.given IS NOT NULL, w.given INTO applied, bases
    FROM writers w WHERE w.id = writer AND w.number >= turn;
    IF NOT FOUND THEN
        applied := false;
        INSERT INTO writers AS w (id, number, given, seen) VALUES (writer, turn, NULL, now())
        ON CONFLICT (id) DO UPDATE SET number = excluded.number, given = NULL, seen = excluded.seen;
    END IF;
END $$;
"""

_OURS = ("rows", "counters", "writers")


async def prepare(connection: asyncpg.Connection, schema: str, name: str) -> None:
    """Check that the schema is of a format we know; make it when it is new. `schema` is a checked name.

    Raises:
        Invalid: the schema holds other tables, or a store of a newer format.
        PermissionDenied: the user may not make tables there.
        asyncpg.PostgresError: what else the server says.
    """
    if not await _there(connection, schema, "emerge"):
        async with connection.transaction(isolation="read_committed"):
            await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", LOCK, schema)
            if not await _there(connection, schema, "emerge"):  # nobody else made it while we waited
                await _make(connection, schema, name)
    version = await connection.fetchval(f'SELECT format FROM "{schema}".emerge')
    if version is None or version > FORMAT:
        raise Invalid(f"{name} has format {version}, this Emerge reads up to {FORMAT}", remedy="upgrade Emerge")


async def _make(connection: asyncpg.Connection, schema: str, name: str) -> None:
    for table in _OURS:
        if await _there(connection, schema, table):
            raise Invalid(
                f"{name} holds a table {table!r}, but is not an Emerge store", remedy="name another one with ?schema="
            )
    if not await connection.fetchval("SELECT true FROM pg_namespace WHERE nspname = $1", schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')
    if not await connection.fetchval("SELECT has_schema_privilege($1, 'CREATE')", schema):
        raise PermissionDenied(
            f"{name}: the user may not make tables there", remedy=f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO it'
        )
    await connection.execute(_TABLES + _COMMIT + _SETTLE + f"INSERT INTO emerge VALUES ({FORMAT})")


async def _there(connection: asyncpg.Connection, schema: str, table: str) -> bool:
    # Not to_regclass: in a transaction that waited for a lock it answers from before the wait.
    query = (
        "SELECT true FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relname = $2"
    )
    return bool(await connection.fetchval(query, schema, table))
