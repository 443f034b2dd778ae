import { maxResponseBytes, ResponseTooLarge, TimedOut, type Transport, type TransportResponse } from './transport.ts';

/** Sends requests by the global `fetch`, in browsers and in Node alike. */
export const fetchTransport: Transport = async ({ method, url, headers, body, timeoutMs }) => {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new TimedOut()), timeoutMs);
  try {
    const response = await fetch(url, {
      method,
      headers,
      // A session of the browser's own must not take part: the token alone says who calls.
      credentials: 'omit',
      redirect: 'manual',
      signal: controller.signal,
      ...(body === undefined ? {} : { body }),
    });
    return await readWhole(response);
  } catch (error) {
    throw controller.signal.aborted && controller.signal.reason instanceof TimedOut ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
};

/** What browsers show of a redirect that is not followed. */
const redirectStatus = 302;

const readWhole = async (response: Response): Promise<TransportResponse> => ({
  status: response.type === 'opaqueredirect' ? redirectStatus : response.status,
  header: (name) => response.headers.get(name),
  headers: [...response.headers],
  text: await readText(response),
});

const readText = async ({ body }: Response): Promise<string> => {
  if (body === null) return '';
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > maxResponseBytes) {
      await reader.cancel();
      throw new ResponseTooLarge();
    }
    text += decoder.decode(value, { stream: true });
  }
};
