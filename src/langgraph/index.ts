// The entry point of "keelson/langgraph": a checkpoint saver for LangGraph.

import '../node-version.js';

export { KeelsonSaver, type KeelsonSaverOptions } from './keelson-saver.js';
