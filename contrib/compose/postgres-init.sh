#!/bin/sh
# Run by PostgreSQL's image when its volume is new: beside Synapse's database, one for knockbot.
set -eu

psql --set=ON_ERROR_STOP=1 --username=synapse --dbname=synapse --set=password="$DOOR_PASSWORD" <<'SQL'
CREATE ROLE knockbot LOGIN PASSWORD :'password';
CREATE DATABASE knockbot OWNER knockbot;
SQL
