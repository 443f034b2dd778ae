import type { Client } from 'pg';
import { type ConnectionSettings, databaseName, roleNames } from './connection-settings.ts';
import { type DatabaseSecret, scramVerifier } from './database-password.ts';
import { connectTo } from './probe.ts';

// An arbitrary number that nothing else in the maintenance database locks.
const setUpLock = 8_420_001;

/**
 * Creates the roles and the database that are missing, and sets the passwords that differ. Each step can be repeated, so
 * that the next start completes what a killed one left. Two starts at the same time take turns.
 */
export const setUpRoles = async (superuser: ConnectionSettings, secret: DatabaseSecret): Promise<void> => {
  await using client = await connectTo({ ...superuser, database: 'postgres' });
  await client.query('select pg_advisory_lock($1)', [setUpLock]);
  for (const role of [roleNames.migrator, roleNames.service]) await setUpRole(client, role, secret);
  await setUpDatabase(client);
};

const setUpRole = async (client: Client, role: string, secret: DatabaseSecret): Promise<void> => {
  const verifier = scramVerifier(secret, role);
  const { rows } = await client.query<{ rolpassword: string | null }>(
    'select rolpassword from pg_authid where rolname = $1',
    [role],
  );
  if (rows[0]?.rolpassword === verifier) return;
  const verb = rows.length === 0 ? 'create' : 'alter';
  await client.query(
    `${verb} role ${role} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls ` +
      `password ${client.escapeLiteral(verifier)}`,
  );
};

const setUpDatabase = async (client: Client): Promise<void> => {
  const { rows } = await client.query<{ datname: string; datacl: unknown }>(
    'select datname, datacl from pg_database where datname = any($1)',
    [[databaseName, 'postgres']],
  );
  if (!rows.some(({ datname }) => datname === databaseName)) {
    await client.query(`create database ${databaseName} owner ${roleNames.migrator}`);
  }
  const open = (name: string): boolean => rows.find(({ datname }) => datname === name)?.datacl == null;
  if (open('postgres')) await client.query('revoke all on database postgres from public');
  if (open(databaseName)) {
    await client.query(
      `revoke all on database ${databaseName} from public; ` +
        `grant connect on database ${databaseName} to ${roleNames.service}`,
    );
  }
};
