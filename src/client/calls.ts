import type { paths } from './schema.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** The paths that have an operation of this method. */
type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<Lowercase<M>, { responses: unknown }> ? P : never;
}[keyof paths];

type Operation<P extends keyof paths, M extends Method> = paths[P][Lowercase<M>];

type RequiredKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T];

/** A member that may be left out where nothing of it is required. */
type Member<Name extends string, T> = [RequiredKeys<T>] extends [never]
  ? { readonly [N in Name]?: T }
  : { readonly [N in Name]: T };

type Params<O> = O extends { parameters: infer P } ? Omit<P, 'cookie'> : never;

interface JsonContent<T> {
  content: { 'application/json': T };
}

type Body<O> = O extends { requestBody: JsonContent<infer B> }
  ? { readonly body: B }
  : O extends { requestBody?: JsonContent<infer B> }
    ? { readonly body?: B }
    : object;

type Init<O> = Member<'params', Params<O>> & Body<O>;

type InitArguments<I> = [RequiredKeys<I>] extends [never] ? [init?: I] : [init: I];

type Successes<R> = R[keyof R & (200 | 201 | 202 | 204)];

/** The body of an operation's success; undefined where it has none. */
type Data<O> = O extends { responses: infer R }
  ? Successes<R> extends infer S
    ? S extends JsonContent<infer T>
      ? T
      : undefined
    : never
  : never;

export interface Result<T> {
  readonly data: T;
  /** Created when it is read: in Node that loads `fetch`. */
  readonly response: Response;
}

type Call<M extends Method> = <P extends PathOf<M>>(
  path: P,
  ...init: InitArguments<Init<Operation<P, M>>>
) => Promise<Result<Data<Operation<P, M>>>>;

/** Every operation of openapi.json by its method and path. */
export type Client = { readonly [M in Method]: Call<M> };
