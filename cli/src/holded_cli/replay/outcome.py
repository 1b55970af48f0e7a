"""What a run of `holded replay` has done so far."""

from dataclasses import dataclass, field

from holded_cli.replay.letters import Letter, Replay
from holded_cli.replay.store import Landing
from holded_cli.replay.verdict import Verdict


@dataclass
class Outcome:
    """What became of each dead letter that was asked for."""

    selected: int
    dry_run: bool
    planned: list[Replay] = field(default_factory=list)
    skipped: list[tuple[Letter, str]] = field(default_factory=list)
    """With the reason why it was not, or would not be, sent."""
    sent: list[int] = field(default_factory=list)
    landings: dict[int, Landing] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    """Of a dry run, by the number of the dead letter."""

    @property
    def complete(self) -> bool:
        """Tell whether everything is where it was to go, or in a dry run would be."""
        arrived = all(landing.state == "events" for landing in self.landings.values())
        taken = all(verdict.accepted for verdict in self.verdicts.values())
        return not self.skipped and arrived and taken
