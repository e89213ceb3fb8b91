// The report's style sheet: one column that fits a phone, light or dark as its reader has it.

export const STYLE = `
:root { color-scheme: light dark; --ink: #1a1c20; --paper: #fff; --soft: #667; --line: #d8dbe2; --ran: #2f6fdb; --path: #c2410c;
  --cached: #2e8b57; --failed: #c81e1e; --block: #f4f5f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ee; --paper: #14161a; --soft: #9aa0ae; --line: #343842; --ran: #6ea0ff;
  --path: #ff9b5e; --cached: #63c78d; --failed: #ff7b7b; --block: #1d2026; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0 0 .5rem; } h2 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: 0; } dt { color: var(--soft); } dd { margin: 0; }
code, pre, .bar { font-family: ui-monospace, monospace; font-size: 13px; }
pre { background: var(--block); padding: .6rem; margin: .4rem 0; max-height: 30rem; overflow: auto; white-space: pre-wrap; }
.error { border-left: 4px solid var(--failed); padding-left: .7rem; }
details { border-top: 1px solid var(--line); padding: .35rem 0; } summary { cursor: pointer; list-style: none; }
summary::-webkit-details-marker { display: none; }
.name { display: block; } .facts { color: var(--soft); font-size: 13px; }
.track { display: block; position: relative; height: 8px; margin: .25rem 0; background: var(--block); border-radius: 2px; }
.span { position: absolute; top: 0; bottom: 0; min-width: 2px; border-radius: 2px; background: var(--ran); }
.path .span { background: var(--path); } .cached .span { background: var(--cached); } .failed .span { background: var(--failed); }
.path .name::before { content: "\\25c6  "; color: var(--path); } .cached .name { color: var(--soft); } .failed .name { color: var(--failed); }
.legend { color: var(--soft); font-size: 13px; } .why { margin: .3rem 0; }
table { border-collapse: collapse; } td { padding: .05rem .8rem .05rem 0; vertical-align: top; } td.n { text-align: right; white-space: nowrap; }
nav { display: flex; gap: 1rem; margin-bottom: 1rem; flex-wrap: wrap; } a { color: var(--ran); } [aria-current] { font-weight: bold; }
:focus-visible { outline: 2px solid var(--ran); outline-offset: 2px; }
`;
