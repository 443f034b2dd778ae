import { lookingNames, managingNames, operationOf, writingNames } from './operations.ts';
import { otherRoutes } from './other-routes.ts';
import { creations } from './placing.ts';

/** Read whole by the listing test: what they answer depends on the caller and not on one secret. */
const alongside = ['GET /api/v1/secrets/types', 'GET /api/v1/secrets/stats'];

/** Every route that the tables speak of. */
const tabled: ReadonlySet<string> = new Set([
  ...[...lookingNames, ...writingNames, ...managingNames].map((name) => operationOf(name).route),
  ...Object.values(creations).map(({ route }) => route),
  ...alongside,
  ...otherRoutes,
]);

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const routesOf = ({ paths }: Document): readonly string[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );

/** Routes of the document that no table speaks of, and routes of the tables that the document has not. */
export const differences = (document: Document): { readonly missing: string[]; readonly stale: string[] } => {
  const routes = routesOf(document);
  return {
    missing: routes.filter((route) => !tabled.has(route)),
    stale: [...tabled].filter((route) => !routes.includes(route)),
  };
};
