// @ts-check
// An agent with a memory, on LangGraph: it asks a person before it books, and remembers across a `kill -9` where it was.
//
//     node examples/agent.js      asks in one process, is killed, and goes on in another when the person has answered
//
// The graph is LangGraph's, the memory is Keelson's: each step is durable before the next one begins. The model is a few rules,
// so that the example needs no key; put a chat model of LangChain in its place.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AIMessage, HumanMessage } from '@langchain/core/messages';
import { Command, END, interrupt, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { KeelsonSaver } from 'keelson/langgraph';

/** @typedef {typeof MessagesAnnotation.State} State */

/** Stands for a chat model: it wants to book what the last message asks for. */
function plan(/** @type {State} */ { messages }) {
  const wish = messages.at(-1)?.text ?? '';
  return { messages: [new AIMessage(`I would book: ${wish}`)] };
}

/** Waits for a person. The graph ends here, and goes on when somebody resumes it: in a second, or next week. */
function ask(/** @type {State} */ { messages }) {
  const answer = interrupt({ question: messages.at(-1)?.text });
  return { messages: [new HumanMessage(String(answer))] };
}

function book(/** @type {State} */ { messages }) {
  const isWanted = messages.at(-1)?.text === 'yes';
  return { messages: [new AIMessage(isWanted ? 'It is booked.' : 'It is not booked.')] };
}

/** Returns the agent, and its memory in a directory. */
export function makeAgent(/** @type {string} */ directory) {
  const memory = new KeelsonSaver(directory);
  const agent = new StateGraph(MessagesAnnotation)
    .addNode('plan', plan)
    .addNode('ask', ask)
    .addNode('book', book)
    .addEdge(START, 'plan')
    .addEdge('plan', 'ask')
    .addEdge('ask', 'book')
    .addEdge('book', END)
    .compile({ checkpointer: memory });
  return { agent, memory };
}

const THREAD = { configurable: { thread_id: 'ann' } };

/** Runs as the process that is killed: begins a conversation, and hangs when the question is asked. */
async function begin(/** @type {string} */ directory) {
  const { agent } = makeAgent(directory);
  await agent.invoke({ messages: [new HumanMessage('a ferry to Ithaca')] }, THREAD);
  console.log('asked');
  setInterval(() => {}, 1000);
}

async function demo(/** @type {string} */ directory) {
  const argv = [fileURLToPath(import.meta.url), directory];
  const first = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(first.stdout, 'data');
  first.kill('SIGKILL');
  await once(first, 'exit');

  const { agent, memory } = makeAgent(directory);
  const waiting = await agent.getState(THREAD);
  assert.deepEqual(waiting.next, ['ask']);
  const [question] = waiting.tasks.flatMap(({ interrupts }) => interrupts);
  assert.deepEqual(question?.value, { question: 'I would book: a ferry to Ithaca' });

  const { messages } = await agent.invoke(new Command({ resume: 'yes' }), THREAD);
  let steps = 0;
  for await (const _ of agent.getStateHistory(THREAD)) steps++;
  await memory.close();
  console.log(`${messages.map((message) => message.text).join(' / ')} (${steps} checkpoints)`);
}

if (process.argv[2] !== undefined) {
  await begin(process.argv[2]);
} else {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-agent-'));
  await demo(directory).finally(() => rm(directory, { recursive: true }));
}
