// Written by `troupe types` from the .proto files; write it again when they change.

export namespace bench {
  namespace v1 {
    interface Increment {
      readonly by: number;
    }

    interface IncrementReply {
      readonly value: number;
    }

    interface CounterEvent {
      readonly incremented?: bench.v1.Incremented | undefined;
    }

    interface Incremented {
      readonly by: number;
    }

    interface CounterState {
      readonly value: number;
    }

    interface DocumentIncrement {
      readonly by: number;
      readonly content: Uint8Array;
    }

    interface DocumentIncrementReply {
      readonly value: number;
    }

    interface DocumentEvent {
      readonly incremented?: bench.v1.DocumentIncremented | undefined;
    }

    interface DocumentIncremented {
      readonly by: number;
      readonly content: Uint8Array;
    }

    interface DocumentState {
      readonly value: number;
      readonly content: Uint8Array;
    }

    interface FanIncrement {
      readonly by: number;
      readonly fanOut: number;
    }

    interface FanIncrementReply {
      readonly value: number;
    }

    interface FanEvent {
      readonly incremented?: bench.v1.FanIncremented | undefined;
    }

    interface FanIncremented {
      readonly by: number;
    }

    interface FanState {
      readonly value: number;
    }

    interface Append {
      readonly token: string;
    }

    interface AppendReply {
      readonly count: number;
      readonly checksum: number;
    }

    interface LedgerEvent {
      readonly appended?: bench.v1.Appended | undefined;
    }

    interface Appended {
      readonly token: string;
    }

    interface LedgerState {
      readonly count: number;
      readonly checksum: number;
    }
  }
}

/** The messages of each actor type. */
export interface Actors {
  'bench.v1.Counter': {
    type: 'bench.v1.Counter';
    state: bench.v1.CounterState;
    commands: {
      Increment: { command: bench.v1.Increment; reply: bench.v1.IncrementReply };
    };
    events: {
      Incremented: bench.v1.Incremented;
    };
  };
  'bench.v1.Document': {
    type: 'bench.v1.Document';
    state: bench.v1.DocumentState;
    commands: {
      Increment: { command: bench.v1.DocumentIncrement; reply: bench.v1.DocumentIncrementReply };
    };
    events: {
      DocumentIncremented: bench.v1.DocumentIncremented;
    };
  };
  'bench.v1.Fan': {
    type: 'bench.v1.Fan';
    state: bench.v1.FanState;
    commands: {
      Increment: { command: bench.v1.FanIncrement; reply: bench.v1.FanIncrementReply };
    };
    events: {
      FanIncremented: bench.v1.FanIncremented;
    };
  };
  'bench.v1.Ledger': {
    type: 'bench.v1.Ledger';
    state: bench.v1.LedgerState;
    commands: {
      Append: { command: bench.v1.Append; reply: bench.v1.AppendReply };
    };
    events: {
      Appended: bench.v1.Appended;
    };
  };
}
