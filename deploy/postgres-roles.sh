#!/bin/sh
# The two roles of WorkHub in a new database: workhub_owner makes and alters tables, workhub reads
# and writes rows and can do nothing else.
#
# PostgreSQL's image runs this once, over an empty data directory. By hand: as a superuser, with
# POSTGRES_DB and the two files named in the environment.
set -eu

password() { # of the URL in a file, as deploy/secrets.sh writes it
    url=$(cat "$1")
    rest=${url#*://*:}
    password=${rest%%@*}
    case $password in
    '' | "$url" | *[!A-Za-z0-9_-]*)
        echo "$1 holds no URL with a password of letters, digits, - and _." >&2
        exit 1
        ;;
    esac
    printf %s "$password"
}

OWNER_PASSWORD=$(password "$OWNER_DATABASE_URL_FILE")
SERVICE_PASSWORD=$(password "$DATABASE_URL_FILE")
export OWNER_PASSWORD SERVICE_PASSWORD

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
    --dbname "$POSTGRES_DB" <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv service_password SERVICE_PASSWORD
BEGIN;
CREATE ROLE workhub_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE workhub LOGIN PASSWORD :'service_password';
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO workhub_owner, workhub;
GRANT USAGE, CREATE ON SCHEMA public TO workhub_owner;
GRANT USAGE ON SCHEMA public TO workhub;
ALTER DEFAULT PRIVILEGES FOR ROLE workhub_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO workhub;
ALTER DEFAULT PRIVILEGES FOR ROLE workhub_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO workhub;
COMMIT;
SQL
