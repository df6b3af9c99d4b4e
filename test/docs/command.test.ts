// docs/guide/command.md has the help of every command, as the program prints it.

import { describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/command-errors.js';
import { keelsonProgram } from '../../src/cli/program.js';
import { generatedPart, IS_WRITING, writeGeneratedPart } from './generated.js';
import { readText } from './markdown.js';

const PAGE = 'docs/guide/command.md';

const { commands } = await keelsonProgram();

function helpOfAll(): string {
  return commands
    .map((command) => `### ${command.name()}\n\n\`\`\`text\n${command.helpInformation().trim()}\n\`\`\``)
    .join('\n\n');
}

describe('the page of the command', () => {
  test('has the help of every command', () => {
    if (IS_WRITING) writeGeneratedPart(PAGE, 'help', helpOfAll());
    expect(generatedPart(readText(PAGE), 'help')).toBe(helpOfAll());
  });

  test('has every exit code', () => {
    const codes = [...readText(PAGE).matchAll(/^\| (\d) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(EXIT));
  });
});
