import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditEntry } from '../audit/index.ts';

export interface Metrics {
  readonly registry: Registry;
  request(method: string, route: string, status: number, seconds: number): void;
  recorded(entry: Pick<AuditEntry, 'action' | 'outcome'>): void;
}

/** The service's metrics. Labels come from closed lists, and never hold an id, a name or an address. */
export const createMetrics = (waiting: () => number): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'keyhold_http_request_duration_seconds',
    help: 'Requests by method, route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const records = new Counter({
    name: 'keyhold_audit_records_total',
    help: 'Audit records by action and outcome',
    labelNames: ['action', 'outcome'],
    registers,
  });
  const broken = new Counter({
    name: 'keyhold_integrity_failures_total',
    help: 'Rows whose seal or value was not as the service wrote it',
    registers,
  });
  new Gauge({
    name: 'keyhold_database_waiting',
    help: 'Requests that wait for a database connection',
    registers,
    collect() {
      this.set(waiting());
    },
  });
  return {
    registry,
    request: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    recorded: ({ action, outcome }) => {
      records.inc({ action, outcome });
      if (action === 'row.integrity_broken') broken.inc();
    },
  };
};
