/** One request as it goes over the wire. */
export interface TransportRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
}

/** A response that has been read to its end. */
export interface TransportResponse {
  readonly status: number;
  /** The value of a header, by its name in lower case; null where the response does not have it. */
  header(name: string): string | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly text: string;
}

/**
 * Sends a request. It follows no redirect, which could carry a credential elsewhere, and reads at most
 * `maxResponseBytes`. Rejects with TimedOut, ResponseTooLarge, or any other error where the connection failed.
 */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>;

/** The service did not answer within the time. */
export class TimedOut extends Error {}

/** The response is larger than any of Keyhold's. */
export class ResponseTooLarge extends Error {}

/** Keyhold's largest response, a hundred values of the maximum size with every character escaped, has 40 MiB. */
export const maxResponseBytes = 64 * 1024 * 1024;
