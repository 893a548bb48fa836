import t from 'tap';

import { BODY, COMMAND, DEADLINE, FROM, GET, ID, KEY, RequestScanner, TO, WATCH } from './scanner.ts';

const scanner = new RequestScanner();

function scan(text: string): { next: number; bytes: number } {
  const buffer = Buffer.from(text);
  scanner.over(buffer);
  return { next: scanner.request(scanner.space(0)), bytes: buffer.length };
}

t.test('requests', (t) => {
  const text = '{"id":"7f3a","key":"k1","to":"shop.v1.Order:o-1","command":"Place","body":{"a":[1,{"b":"}]\\"{"}]},"deadlineMs":250}';
  const { next, bytes } = scan(text);
  t.equal(next, bytes);
  t.match(scanner, { problem: '', id: '7f3a', key: 'k1', to: { text: 'shop.v1.Order:o-1' }, command: 'Place', deadlineMs: 250 });
  t.equal(text.slice(scanner.bodyFrom, scanner.bodyTo), '{"a":[1,{"b":"}]\\"{"}]}');
  t.equal(scanner.seen, ID | KEY | TO | COMMAND | BODY | DEADLINE);

  scan(' {\t"watch" :\r\n"a.B:1" , "from": 1e2 , "id" : "w" } ');
  t.match(scanner, { problem: '', id: 'w', target: 'a.B:1', from: 100, seen: ID | WATCH | FROM });
  scan('{"\\u0069d":"\\u0041\\n\\ud83d\\ude00","get":"ä:ö"}');
  t.match(scanner, { problem: '', id: 'A\n\u{1f600}', target: 'ä:ö', seen: ID | GET }, 'escapes count, in names too');
  t.equal(scan('{"id":"a"}  x').next, 10, 'what follows is not its concern');
  t.equal(scan('{}').next, 2);
  t.end();
});

t.test('JSON, but not a request', (t) => {
  const cases: [string, RegExp][] = [
    ['{"id":1}', /id must be a string/],
    ['{"id":null,"x":1}', /id must be a string/],
    ['{"id":"a","body":[]}', /body must be an object/],
    ['{"id":"a","body":"{}"}', /body must be an object/],
    ['{"id":"a","from":-1}', /from must be/],
    ['{"id":"a","from":1.5}', /from must be/],
    ['{"id":"a","from":"1"}', /from must be/],
    ['{"id":"a","from":9007199254740992}', /from must be/],
    ['{"id":"a","deadlineMs":1e400}', /deadlineMs must be/],
    ['{"id":"a","deadlineMs":true}', /deadlineMs must be/],
    ['{"id":"a","id":"b"}', /id is there twice/],
    ['{"id":"a","\\u0069d":"b"}', /id is there twice/],
    ['{"id":"a","Id":"b"}', /"Id" is not known/],
    ['{"id":"a","bodi":{"x":[1]}}', /"bodi" is not known/],
    ['{"id":"a","__proto__":{}}', /"__proto__" is not known/],
    ['{"":1}', /"" is not known/],
  ];
  for (const [text, problem] of cases) {
    const { next, bytes } = scan(text);
    t.equal(next, bytes, text);
    t.match(scanner.problem, problem, text);
  }
  t.end();
});

t.test('not JSON', (t) => {
  const texts = [
    '', ' ', '{', '{"', '{"id', '{"id"', '{"id":', '{"id":"', '{"id":"a', '{"id":"a"', '{"id":"a",', '{"id":"a",}', '{,}', '{"id" "a"}',
    '{id:"a"}', "{'id':'a'}", '{"id":"a" "to":"b"}', '{"id":"a"]', '{"id":"a\nb"}', '{"id":"\\x"}', '{"id":"\\u12g4"}', '{"id":"a\\"}',
    '{"from":01}', '{"from":1.}', '{"from":.5}', '{"from":+1}', '{"from":1e}', '{"from":-}', '{"from":NaN}', '{"from":0x10}',
    '{"x":tru}', '{"x":nul}', '{"x":undefined}', '{"x":falsey}', '{"body":{]}', '{"body":{"a":[}]}', '{"body":{"a":"}', '{"body":{', '{"x":[}',
    '[]', 'null', '"a"', '1', '\ufeff{}', '{/* */}', '{"id":"a"/**/}', '\u00a0{}', '{"\\q":1}', '{"x":"\\q"}',
    `{"body":${'['.repeat(300)}${']'.repeat(300)}}`, `{"body":{"a":${'['.repeat(300)}${']'.repeat(300)}}}`,
  ];
  for (const text of texts) {
    t.equal(scan(text).next, -1, JSON.stringify(text.slice(0, 60)));
    t.not(scanner.fault, '');
  }
  t.end();
});

t.test('every cut of a request is a fault, never a read beyond the end', (t) => {
  const text = Buffer.from('{"id":"7\\u00e9","to":"a.B:1","command":"Do","from":-1.5e+10,"body":{"a":[true,"\\"}"]},"x":null}');
  scanner.over(text);
  t.equal(scanner.request(0), text.length);
  let faults = 0;
  for (let end = 0; end < text.length; end++) {
    // What lies behind the end would complete the text if it were read.
    scanner.over(text.subarray(0, end));
    if (scanner.request(0) === -1) faults++;
  }
  t.equal(faults, text.length);
  t.end();
});
