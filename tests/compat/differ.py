"""The same random programs on two servers: where their answers differ, the shortest that shows it.

A program runs in a keyspace of its own on both. At the first statement answered otherwise it stops;
then statements before it are left out as long as the two still differ at that statement in the same
way, and what remains is printed with both answers.
"""
import re

import compat
import generate

SHRINK_RUNS_MAX = 120


def statement(text):
    case = compat.Case()
    case.text = text
    return case


def normal(answer, keyspace, words):
    """An answer without what may differ: times of this run and names of keyspaces."""
    lines = [re.sub(r"\b1[789]\d{14}\b", "NOW", line.replace(keyspace, "KS")) for line in answer]
    if lines[0].startswith("! ") and not words:
        return [" ".join(lines[0].split(" ")[:2])]
    return lines


class Differ:
    def __init__(self, first, second, words=False, prefix="differ"):
        self.sessions = [compat.connect(first), compat.connect(second)]
        self.words, self.prefix, self.runs = words, prefix, 0

    def close(self):
        for s in self.sessions:
            s.cluster.shutdown()

    def run(self, statements):
        """(index, answers) of the first difference, or None; the keyspaces are gone after."""
        self.runs += 1
        keyspace = f"{self.prefix}_{self.runs}"
        for s in self.sessions:
            compat.ask(s, statement(f"DROP KEYSPACE IF EXISTS {keyspace}"))
        found = None
        for i, text in enumerate(statements):
            case = statement(text.replace("KS", keyspace))
            answers = [normal(compat.ask(s, case), keyspace, self.words) for s in self.sessions]
            if answers[0] != answers[1]:
                found = i, answers
                break
        for s in self.sessions:
            compat.ask(s, statement(f"DROP KEYSPACE IF EXISTS {keyspace}"))
        return found

    def shrink(self, statements, answers):
        """Fewer statements, the last of which is still answered in different ways."""
        like = [a[0].split(" ")[:2] if a[0].startswith("! ") else "rows" for a in answers]
        runs, size = 0, max(1, len(statements) // 2)
        while size >= 1:
            at = 0
            while at < len(statements) - 1 and runs < SHRINK_RUNS_MAX:
                fewer = statements[:at] + statements[min(at + size, len(statements) - 1):]
                found = self.run(fewer)
                runs += 1
                now = found and [a[0].split(" ")[:2] if a[0].startswith("! ") else "rows"
                                 for a in found[1]]
                if found and found[0] == len(fewer) - 1 and now == like:
                    statements, answers = fewer, found[1]
                else:
                    at += size
            size //= 2
        return statements, answers


def compare(first, second, seeds, length, words):
    """Print each difference; the number of programs that had one."""
    differ, different, asked = Differ(first, second, words), 0, 0
    for seed in seeds:
        statements = generate.Program(seed, length).statements
        found = differ.run(statements)
        asked += len(statements) if not found else found[0] + 1
        if not found:
            continue
        different += 1
        short, answers = differ.shrink(statements[:found[0] + 1], found[1])
        print(f"program {seed}: statement {found[0] + 1} of {len(statements)}; the same with")
        for text in short:
            print(f"    {text}")
        for host, answer in zip((first, second), answers):
            print(f"  {host}:")
            for line in answer[:20]:
                print(f"    {line}")
        print(flush=True)
    differ.close()
    print(f"{asked} statements of {len(seeds)} programs, {different} programs with a difference")
    return different
