export { OutboundError } from './errors.ts';
export { createResolveTarget, type ResolveName, type ResolveTarget, systemResolve } from './resolve.ts';
export { createSend, type OutboundAnswer, type Send } from './send.ts';
export { type AllowedHosts, maxTargetBytes, parseTarget, readAllowedHost, type Target } from './target.ts';
