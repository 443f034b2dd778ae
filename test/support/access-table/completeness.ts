import { creations } from './creating.ts';
import { managingNames, operationOf, readingNames, writingNames } from './operations.ts';
import { otherRoutes } from './other-routes.ts';

/** Routes that the test of lists covers. Their answer depends on the caller and not on one secret. */
const coveredByLists = ['GET /api/v1/secrets/types', 'GET /api/v1/secrets/stats'];

/** Every route that is in one of the tables. */
const tabled: ReadonlySet<string> = new Set([
  ...[...readingNames, ...writingNames, ...managingNames].map((name) => operationOf(name).route),
  ...Object.values(creations).map(({ route }) => route),
  ...coveredByLists,
  ...otherRoutes,
]);

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const routesOf = ({ paths }: Document): readonly string[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );

/** Routes of the document that are in no table, and routes of the tables that are not in the document. */
export const differences = (document: Document): { readonly missing: string[]; readonly stale: string[] } => {
  const routes = routesOf(document);
  return {
    missing: routes.filter((route) => !tabled.has(route)),
    stale: [...tabled].filter((route) => !routes.includes(route)),
  };
};
