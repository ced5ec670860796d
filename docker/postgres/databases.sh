# Run by the postgres image once, on an empty volume: a role with a password of its own for
# the ledger and one for Temporal, neither of which can read the other's databases.
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
	--set ledger="$(cat /run/secrets/ledger_password)" --set temporal="$(cat /run/secrets/temporal_password)" <<'SQL'
CREATE ROLE ledger LOGIN PASSWORD :'ledger';
CREATE ROLE temporal LOGIN PASSWORD :'temporal';
CREATE DATABASE ledger OWNER ledger;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE ledger, temporal, temporal_visibility FROM PUBLIC;
SQL
