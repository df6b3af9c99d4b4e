// node search.js FOLDER: indexes and searches on KeelsonLevel and on classic-level, and prints what each has found, as JSON.

import path from 'node:path';
import { ClassicLevel } from 'classic-level';
import { KeelsonLevel } from 'keelson/level';
import { SearchIndex } from 'search-index';

const DOCUMENTS = [
  { _id: 'ada', name: 'Ada Lovelace', about: 'the analytical engine' },
  { _id: 'alan', name: 'Alan Turing', about: 'the imitation game and the engine' },
  { _id: 'grace', name: 'Grace Hopper', about: 'a compiler' },
];

const found = {};
for (const Level of [KeelsonLevel, ClassicLevel]) {
  const index = new SearchIndex({ name: path.join(process.argv[2], Level.name), Level });
  await index.VERSION_VALIDATED;
  const idsOf = async (query) => (await index.QUERY(query)).RESULT.map(({ _id }) => _id).toSorted();
  await index.PUT(DOCUMENTS);
  const first = [await idsOf('engine'), await idsOf({ AND: ['engine', 'game'] }), await idsOf('nothing')];
  await index.DELETE('ada');
  const words = (await index.DICTIONARY({ FIELD: 'about' })).RESULT;
  const { RESULT } = await index.QUERY({ FIELD: 'name', VALUE: 'grace' }, { DOCUMENTS: true });
  found[Level.name] = [...first, await idsOf('engine'), words, RESULT.map(({ _doc }) => _doc)];
  await index.INDEX.STORE.close();
}
console.log(JSON.stringify(found));
