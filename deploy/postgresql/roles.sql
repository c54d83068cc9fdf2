-- Roles and database of dues; run once by a superuser, before `duesd migrate`.
-- dues_owner migrates; dues_service is what the server runs as: no DDL, no write but through functions.
CREATE ROLE dues_owner LOGIN;
CREATE ROLE dues_service LOGIN;
ALTER ROLE dues_service SET statement_timeout = '5s';
ALTER ROLE dues_service SET lock_timeout = '2s';
ALTER ROLE dues_service SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE dues_service SET client_connection_check_interval = '1s';
CREATE DATABASE dues OWNER dues_owner;
REVOKE ALL ON DATABASE dues FROM PUBLIC;
GRANT CONNECT ON DATABASE dues TO dues_service;
