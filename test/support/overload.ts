interface Said {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks again, for a minute at most, where the machine is too busy to answer anybody (503 overloaded), which is decided before anything else is
 * and says nothing about what was asked. Every other answer is the answer.
 */
export const unlessOverloaded = async <T extends Said>(ask: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask();
    if (answer.status !== 503 || !answer.text.includes('"overloaded"') || tries === 300) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
