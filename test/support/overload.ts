interface Said {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks again where the machine is too busy to answer anybody (503 overloaded), which is decided before anything else is
 * and says nothing about what was asked. Every other answer is the answer.
 */
export const unlessOverloaded = async <T extends Said>(ask: () => Promise<T>): Promise<T> => {
  for (;;) {
    const answer = await ask();
    if (answer.status !== 503 || !answer.text.includes('"overloaded"')) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
