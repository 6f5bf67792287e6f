#!/bin/bash
# Run by the PostgreSQL image on its first start: one role and one database per service, no cross grants.
set -euo pipefail
for service in auth catalog search_indexer messaging orders notifier operations; do
  password=THREADLY_${service^^}_DATABASE_PASSWORD
  psql -v ON_ERROR_STOP=1 -q -U "$POSTGRES_USER" -d postgres -v role="threadly_$service" -v password="${!password}" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role";
REVOKE CONNECT, TEMPORARY ON DATABASE :"role" FROM PUBLIC;
SQL
done
