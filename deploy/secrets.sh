#!/bin/sh
# Makes what compose.yaml and the systemd units read as secrets, each in a file of its own, in the
# folder that is given (secrets/ without one). A file that is there is kept.
#
# The files can be read by whoever gets at them, since users differ from container to container;
# the folder lets nobody in but its owner.
set -eu

folder=${1:-secrets}
host=${2:-postgres}

keep() { # name, content
    if [ -s "$folder/$1" ]; then
        echo "$folder/$1: kept"
    else
        printf '%s\n' "$2" >"$folder/$1"
        chmod 0444 "$folder/$1"
        echo "$folder/$1: made"
    fi
}

random() {
    openssl rand -hex 32
}

umask 022
mkdir -p "$folder"
chmod 0700 "$folder"
keep postgres_password "$(random)"
keep owner_database_url "postgresql://workhub_owner:$(random)@$host/workhub"
keep database_url "postgresql://workhub:$(random)@$host/workhub"
keep secret_jwt "$(random)"
keep secret_jwt_refresh "$(random)"
keep secret_manager "$(random)"
