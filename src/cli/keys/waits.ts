import type { Job, Keys } from '../../client/index.ts';

type Service = Keys['services'][number];

/** A service as people find it, in the words of the API. */
export const serviceName = ({ id, host, pid }: Service): string => `${id.slice(0, 8)} (${host}, process ${pid})`;

const onOtherPrimary = ({ services, root_keys }: Keys): string[] => {
  const primary = root_keys.find(({ state }) => state === 'primary')?.id;
  return services
    .filter(({ root_key_ids: [first] }) => first !== primary)
    .map((service) => `service ${serviceName(service)} to make root key ${primary} its primary one`);
};

const minute = (what: string): string[] => [`a minute to pass, after which nothing can still be using ${what}`];

const ofReseal = ({ params }: Job, { services, seal_keys }: Keys): string[] => {
  const generation = Number(params['generation']);
  const key = seal_keys.find((one) => one.generation === generation);
  if (key?.state === 'announced') return ['every service to read the new seal key'];
  const behind = services.filter(({ seal_generation }) => seal_generation < generation);
  if (behind.length === 0) return minute('an older seal key');
  return behind.map((service) => `service ${serviceName(service)} to seal with the new key`);
};

/** What a job that makes no progress waits for. Each begins so that "waiting for …" is a sentence. */
export const waitsOf = (job: Job, keys: Keys): string[] => {
  if (job.state === 'queued') return ['a service to begin'];
  if (job.kind === 'rewrap') return onOtherPrimary(keys);
  if (job.kind === 'reseal') return ofReseal(job, keys);
  return job.kind === 'reencrypt' ? minute('an older owner key') : [];
};
