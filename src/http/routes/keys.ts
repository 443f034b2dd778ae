import { invalid } from '../../core/errors.ts';
import { toId, type UserId } from '../../core/ids.ts';
import type { SealedTableName } from '../../db/tables/index.ts';
import type { Rotation } from '../../rotation/index.ts';
import type { Routes } from '../route.ts';
import { Job } from '../schemas/jobs.ts';
import * as schema from '../schemas/keys.ts';

interface Services {
  readonly rotation: Rotation;
}

const tag = 'Keys';
const administrator = { anyOf: ['admin'] } as const;

const addRootKeys = ({ gated }: Routes, { rotation }: Services): void => {
  gated({
    method: 'GET',
    url: '/admin/keys',
    operationId: 'getKeys',
    tag,
    summary: 'The keys, what needs them, and the services that hold them (administrators)',
    description: 'Ids and counts only. A root key with nothing in needed_for can be retired.',
    requires: administrator,
    status: 200,
    answer: schema.Keys,
    handler: () => rotation.status(),
  });
  gated({
    method: 'POST',
    url: '/admin/keys/reload',
    operationId: 'reloadKeys',
    tag,
    summary: 'Read the root keys again (administrators)',
    description:
      'All or nothing, by the service that answers. Refused for keys that another live service does not hold, without which something no longer opens, or that come from KEYHOLD_ROOT_KEYS.',
    requires: administrator,
    status: 200,
    answer: schema.Keys,
    refuses: [409],
    handler: async (caller) => {
      await rotation.reload(caller);
      return await rotation.status();
    },
  });
  gated({
    method: 'POST',
    url: '/admin/keys/rotate-root',
    operationId: 'rotateRootKey',
    tag,
    summary: 'Replace the root key in its file (administrators)',
    description:
      'Adds a new root key to the file, promotes it once every live service holds it, and starts to rewrap. Ask again to go on with a rotation that was begun.',
    requires: administrator,
    status: 200,
    answer: schema.RootRotation,
    refuses: [409],
    handler: (caller) => rotation.rotateRoot(caller),
  });
  gated({
    method: 'POST',
    url: '/admin/keys/retire',
    operationId: 'retireKey',
    tag,
    summary: 'Retire a key that nothing needs any more (administrators)',
    description:
      'A retired root key is neither accepted nor published, even where it is still configured. Refused with what still needs the key. Rows to give up are removed first, and stay removed if the key is then refused.',
    requires: administrator,
    body: schema.RetireBody,
    status: 200,
    answer: schema.Retirement,
    refuses: [404, 409],
    handler: async (caller, { body }) => {
      const { root_key_id: rootKeyId, seal_key_id: sealKeyId, end_logins: endLogins = false, give_up = [] } = body;
      if ((rootKeyId === undefined) === (sealKeyId === undefined))
        throw invalid('root_key_id', 'or seal_key_id must be given, and not both.');
      if (sealKeyId !== undefined) await rotation.checkOlderSealKey(caller, sealKeyId);
      for (const { table, key } of give_up) await rotation.giveUp(caller, { table: table as SealedTableName, key });
      if (rootKeyId === undefined) return { job: await rotation.retireSeals(caller) };
      await rotation.retireRoot(caller, { rootKeyId, endLogins });
      return { job: null };
    },
  });
};

const addRotations = ({ gated }: Routes, { rotation }: Services): void => {
  gated({
    method: 'POST',
    url: '/admin/keys/rewrap',
    operationId: 'rewrapOwnerKeys',
    tag,
    summary: 'Wrap every owner key under the primary root key (administrators)',
    description: 'Starts a job, or answers with the one under way. Values are not touched.',
    requires: administrator,
    status: 200,
    answer: Job,
    handler: (caller) => rotation.rewrap(caller),
  });
  gated({
    method: 'POST',
    url: '/admin/keys/reencrypt',
    operationId: 'reencryptValues',
    tag,
    summary: 'Give a user, or everybody, a new owner key and encrypt their values with it (administrators)',
    description: 'Starts a job. To users nothing changes: neither revision nor version, and no time that they see.',
    requires: administrator,
    body: schema.ReencryptBody,
    status: 200,
    answer: Job,
    refuses: [404],
    handler: (caller, { body }) =>
      rotation.reencrypt(caller, body.user_id === undefined ? null : toId<UserId>(body.user_id)),
  });
  gated({
    method: 'POST',
    url: '/admin/keys/rotate-seal',
    operationId: 'rotateSealKey',
    tag,
    summary: 'Replace the seal key (administrators)',
    description:
      'Starts a job that seals every row anew but audit records, and then retires older seal keys, which verify records only.',
    requires: administrator,
    status: 200,
    answer: Job,
    handler: (caller) => rotation.rotateSeal(caller),
  });
};

/** Root keys, owner keys and seal keys, and replacing them. */
export const keyRoutes = (routes: Routes, services: Services): void => {
  addRootKeys(routes, services);
  addRotations(routes, services);
};
