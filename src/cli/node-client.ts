import { type Client, type ClientOptions, createKeyholdClient } from '../client/index.ts';
import { nodeTransport } from './node-transport.ts';

/** The typed client over node:http, for the command line. */
export const createNodeClient = (options: Omit<ClientOptions, 'transport'>): Client =>
  createKeyholdClient({ ...options, transport: nodeTransport });
