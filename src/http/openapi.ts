/** The parts of the OpenAPI document that no route tells. */
export const openApiDocument = {
  openapi: '3.1.0',
  info: {
    title: 'Keyhold',
    description:
      'A self-hosted secrets service in which every secret has an owner. X-Session-Id names the session of work of a request; Idempotency-Key makes a creation safe to repeat.',
    version: '0.1.0',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  security: [{ bearer: [] }],
  components: { securitySchemes: { bearer: { type: 'http' as const, scheme: 'bearer' } } },
};
