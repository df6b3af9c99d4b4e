// Platform types that this package's declarations use, for programs with `lib` ES2022 and without `@types/node`.
// Where those declare the same types, the declarations merge.

declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }

  interface AbortSignal {
    readonly aborted: boolean;
  }
}

export {};
