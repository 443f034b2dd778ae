import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

/**
 * The headers by which helmet protects a browser that opens an answer of this API, which has nothing to run, to show or to
 * frame. They are the same for every answer, so that they are worked out once.
 */
export const securityHeaders = (overTls: boolean): Readonly<Record<string, string>> => {
  const headers: Record<string, string> = {};
  const collect = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => undefined,
  };
  const protect = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"], 'form-action': ["'none'"] },
    },
    strictTransportSecurity: overTls,
    xFrameOptions: { action: 'deny' },
  });
  protect({} as IncomingMessage, collect as unknown as ServerResponse, () => undefined);
  return headers;
};
