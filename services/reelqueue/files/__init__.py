"""Files: what a caller sends, what NemoVideo makes, and where both are kept.

What this package promises:

- **Durable before the row.** `BlobStore.keep` returns when the file would survive a power cut: its bytes are flushed,
  then it is renamed, then its directory is flushed. Only then may a row name it.
- **Nothing left behind.** Bytes arrive under a temporary name. Whatever ends early (a refusal, a full disk, a client
  that leaves) takes its temporary file with it, and `Spool.sweep` removes what a killed process left.
- **Never in memory.** A file passes through in chunks; its SHA-256 and its size are taken on the way.
- **Content decides.** A file is what its bytes are, whatever its name. That is found out by walking its headers with a
  budget: nothing is decoded or inflated in this process. A picture that NemoVideo would not take is repaired by a
  process that is confined first (`repair`).
- **A file's name is a label.** It is cleaned, stored and shown; no path is ever made of it.
"""
