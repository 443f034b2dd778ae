/** Failed logins by account and by address; it decides nothing but how soon someone may try again. */
export interface LoginFailureRow {
  subject: Buffer;
  failures: number;
  window_started_at: Date;
}
