import type { Event } from '../../client/index.ts';

type EventType = Event['type'];

/** The words of a sentence about an event. */
interface Words {
  /** Who did it, at the beginning of the sentence. */
  readonly who: string;
  readonly secret: string;
  readonly session: string;
  /** The user whom it concerns. */
  readonly whom: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The date of a reminder, to the minute. */
const due = ({ due_at }: Words['details']): string =>
  typeof due_at === 'string' ? ` on ${due_at.slice(0, 16).replace('T', ' at ')}` : '';

const owned = (whom: string): string => (whom === 'you' ? 'your' : `${whom}’s`);

const named = (id: unknown): string => (typeof id === 'string' ? ` ${id}` : '');

const offeredThing = ({ details }: Words): string =>
  details['kind'] === 'user' ? 'everything that a disabled user owns' : `the secret${named(details['secret_id'])}`;

const howToAccept = ({ whom, details }: Words): string => {
  if (whom !== 'you') return '';
  const when = typeof details['ready_at'] === 'string' ? `, from ${details['ready_at']} on` : '';
  return ` To accept it${when}: keyhold handover accept${named(details['handover_id'])}`;
};

const sentences: Readonly<Record<EventType, (words: Words) => string>> = {
  'secret.created': ({ who, secret }) => `${who} stored ${secret}.`,
  'secret.updated': ({ who, secret }) => `${who} changed ${secret}.`,
  'secret.shared': ({ who, secret, whom }) => `${who} shared ${secret} with ${whom}.`,
  'secret.unshared': ({ who, secret, whom }) => `${who} took ${whom} off ${secret}.`,
  'secret.moved': ({ who, secret }) => `${who} moved ${secret} to another scope.`,
  'secret.expiring': ({ secret, details }) => `${capital(secret)} expires${due(details)}.`,
  'secret.rotation_due': ({ secret, details }) => `${capital(secret)} is due for a new value${due(details)}.`,
  'secret.expired': ({ secret }) => `${capital(secret)} has expired.`,
  'secret.deactivated': ({ who, secret }) => `${who} deactivated ${secret}.`,
  'secret.activated': ({ who, secret }) => `${who} activated ${secret}.`,
  'secret.deleted': ({ who, secret }) => `${who} deleted ${secret}.`,
  'secret.recovered': ({ who, secret }) => `${who} recovered ${secret}.`,
  'secret.purged': ({ who, secret }) => `${who} erased ${secret} for good.`,
  'secret.handed_over': ({ who, secret, whom }) => `${who} handed ${secret} over to ${whom}.`,
  'session.started': ({ who, session }) => `${who} started ${session}.`,
  'session.updated': ({ who, session }) => `${who} changed ${session}.`,
  'session.joined': ({ who, session }) => `${who} joined ${session}.`,
  'session.left': ({ who, session }) => `${who} left ${session}.`,
  'session.removed': ({ who, session, whom }) => `${who} removed ${whom} from ${session}.`,
  'session.handed_over': ({ who, session, whom }) => `${who} handed ${session} over to ${whom}.`,
  'session.ended': ({ who, session }) => `${who} ended ${session}.`,
  'session.cleaned_up': ({ session }) => `What was left in ${session} was erased.`,
  'invitation.received': ({ who, session, whom }) => `${who} invited ${whom} to ${session}.`,
  'invitation.declined': ({ who, session }) => `${who} declined the invitation to ${session}.`,
  'invitation.withdrawn': ({ who, session, whom }) => `${who} took back the invitation of ${whom} to ${session}.`,
  'token.created': ({ who }) => `${who} created a token for your account.`,
  'token.revoked': ({ who }) => `${who} revoked a token of your account.`,
  'login.new_place': ({ details }) => `Somebody logged in as you from a new network: ${String(details['network'])}.`,
  'reset.started': ({ who, whom }) => `${who} reset ${owned(whom)} password.`,
  'reset.cancelled': ({ who, whom }) => `${who} cancelled the reset of ${owned(whom)} password.`,
  'account.disabled': ({ who, whom }) => `${who} disabled ${owned(whom)} account.`,
  'account.enabled': ({ who, whom }) => `${who} enabled ${owned(whom)} account.`,
  'integrity.broken': ({ details }) =>
    `A row of ${String(details['table'])} was changed outside of Keyhold. Ask your operator to run "keyhold doctor".`,
  'handover.offered': (words) => `${words.who} offered ${words.whom} ${offeredThing(words)}.${howToAccept(words)}`,
  'handover.accepted': ({ who, details }) => `${who} accepted the hand-over${named(details['handover_id'])}.`,
  'handover.cancelled': ({ who, details }) => `${who} called off the hand-over${named(details['handover_id'])}.`,
  'webhook.disabled': () => 'A webhook of yours was switched off, because its receiver refused it.',
};

/** What the service does by itself because its time has come. All else without an actor is the operator's act. */
const byItself: readonly EventType[] = ['secret.purged', 'session.ended'];

const nameOf = (user: NonNullable<Event['actor']>, me: string): string =>
  user.id === me ? 'you' : (user.username ?? 'a former user');

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const wordsOf = ({ type, actor, agent, user, secret, session, details }: Event, me: string): Words => {
  const nobody = byItself.includes(type) ? 'the service' : 'the operator';
  const name = actor === null ? nobody : nameOf(actor, me);
  const who = name === 'you' || actor === null || actor.username === null ? capital(name) : name;
  return {
    who: agent === null ? who : `${who} (by the agent ${agent})`,
    secret: secret?.name ? `the secret ${secret.name}` : `the secret ${secret?.id ?? ''}`.trim(),
    session: session?.title ? `the session "${session.title}"` : `the session ${session?.id ?? ''}`.trim(),
    whom: user === null ? 'somebody' : nameOf(user, me),
    details,
  };
};

/** Who did what to what, for the user of this id. A type that this version does not know is named as it is. */
export const sentenceOf = (event: Event, me: string): string =>
  Object.hasOwn(sentences, event.type) ? sentences[event.type](wordsOf(event, me)) : `${event.type} happened.`;
