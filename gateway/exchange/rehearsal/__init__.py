"""The rehearsal: what Microsoft does not document, asked of the real tenant with a test room.

    plan ─▶ prepare (invite) ─▶ for each question: act ─▶ observe ─▶ judge ─▶ sweep ─▶ record

`questions` is the table of what is asked; each question is one function that acts and observes, and one
pure function that judges what was seen. `stage` has the two mailboxes, `sweep` puts them back as they were,
`run` leads through it, `record` keeps what came of it. An answer that would make writing unsafe is "stop":
then no room goes live by command.
"""
