import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { AuditEntry } from '../audit/index.ts';

export interface Metrics {
  readonly registry: Registry;
  request(method: string, route: string, status: number, seconds: number): void;
  recorded(entry: Pick<AuditEntry, 'action' | 'outcome'>): void;
}

/** Upper bounds of the buckets of durations, in seconds. */
const bounds = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

interface Durations {
  readonly labels: { readonly method: string; readonly route: string; readonly status: number };
  /** How many took at most as long as each bound, and longer than the one before; the last is for all longer ones. */
  readonly counts: number[];
  sum: number;
}

/**
 * A histogram that is cheap to add to: each request finds its series by one key, and what Prometheus is told is worked out
 * when it asks. That of `prom-client` sorts and hashes the labels of each observation.
 */
class RequestDurations {
  readonly name = 'keyhold_http_request_duration_seconds';
  readonly help = 'Requests by method, route and status';
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly #series = new Map<string, Durations>();

  observe(method: string, route: string, status: number, seconds: number): void {
    const key = `${status} ${method} ${route}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { labels: { method, route, status }, counts: new Array(bounds.length + 1).fill(0), sum: 0 };
      this.#series.set(key, series);
    }
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] ?? 0)) bucket += 1;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.sum += seconds;
  }

  async get() {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: [...this.#series.values()].flatMap((one) => this.#valuesOf(one)) };
  }

  reset(): void {
    this.#series.clear();
  }

  #valuesOf({ labels, counts, sum }: Durations): object[] {
    let upTo = 0;
    const buckets = counts.map((count, at) => {
      upTo += count;
      return { metricName: `${this.name}_bucket`, labels: { le: bounds[at] ?? '+Inf', ...labels }, value: upTo };
    });
    const whole = { metricName: `${this.name}_count`, labels, value: upTo };
    return [...buckets, { metricName: `${this.name}_sum`, labels, value: sum }, whole];
  }
}

/** The service's metrics. Labels come from closed lists, and never hold an id, a name or an address. */
export const createMetrics = (waiting: () => number): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new RequestDurations();
  // The type names prom-client's own classes; the registry itself uses name, get and reset only.
  registry.registerMetric(requests as unknown as Metric);
  /** Records since they were last told of. */
  const recorded = new Map<string, number>();
  new Counter({
    name: 'keyhold_audit_records_total',
    help: 'Audit records by action and outcome',
    labelNames: ['action', 'outcome'],
    registers,
    collect() {
      for (const [key, count] of recorded) {
        const [action = '', outcome = ''] = key.split(' ');
        this.inc({ action, outcome }, count);
      }
      recorded.clear();
    },
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
    request: (method, route, status, seconds) => requests.observe(method, route, status, seconds),
    recorded: ({ action, outcome }) => {
      const key = `${action} ${outcome}`;
      recorded.set(key, (recorded.get(key) ?? 0) + 1);
      if (action === 'row.integrity_broken') broken.inc();
    },
  };
};
