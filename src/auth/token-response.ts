import type { LoginRow, UserRow } from '../db/tables/index.ts';
import { type UserView, viewOf } from '../users/index.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { RefreshTokens } from './refresh-token.ts';

/** The answer to a login or a refresh (RFC 6749 section 5.1), with the user. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly user: UserView;
}

/** A login as it was committed: what its tokens are made of. */
export interface CommittedLogin {
  readonly login: Pick<LoginRow, 'id' | 'refresh_generation' | 'root_key_id'>;
  readonly user: UserRow;
}

interface Deps {
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
}

export type IssueTokens = (committed: CommittedLogin) => Promise<TokenResponse>;

/** Makes a pair of tokens for a login. The caller has committed it. */
export const createIssueTokens =
  ({ accessTokens, refreshTokens }: Deps): IssueTokens =>
  async ({ login, user }) => {
    const { token, expiresInSeconds } = await accessTokens.sign({ userId: user.id, loginId: login.id });
    return {
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      refresh_token: refreshTokens.mint({ loginId: login.id, generation: login.refresh_generation }, login.root_key_id),
      user: viewOf(user),
    };
  };
