#!/bin/sh
# Run once by the image of PostgreSQL, when it makes its first database: gives the mesh a user and a database of its own. The
# administrator's account, which may read files and start programs in the container, is let in from within it only.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_USER" <<'SQL'
\set password `cat "$MESH_PASSWORD_FILE"`
CREATE ROLE coffer LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
CREATE DATABASE coffer OWNER coffer;
REVOKE ALL ON DATABASE coffer FROM PUBLIC;
SQL
# From elsewhere: that user alone, to that database, over TLS.
sed -i -E '/^host[[:space:]]+all[[:space:]]+all[[:space:]]+all[[:space:]]/d' "$PGDATA/pg_hba.conf"
echo 'hostssl coffer coffer all scram-sha-256' >>"$PGDATA/pg_hba.conf"
