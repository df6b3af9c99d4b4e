// Platform types that the declarations of this package name, for programs whose `lib` is ES2022 and that have no
// `@types/node`. Where those declare them, too, the declarations merge.

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
