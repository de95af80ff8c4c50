"""Components that several runs of one command share: each half is built once, by its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.card import Card
from evalkit.config.options import ComponentOptions
from evalkit.config.run import RunConfig
from evalkit.registry import Group, implementation, load

if TYPE_CHECKING:
    from evalkit.data.dataset import Catalogue, Dataset
    from evalkit.method import Method
    from evalkit.oracles.oracle import Oracle, OracleIdentity
    from evalkit.protocol import Planner, Protocol


@dataclass
class Session:
    """Builds components for planning (``catalogue``, ``oracle_identity``, ``planner``, ``card``) and for computing."""

    built: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def catalogue(self, options: ComponentOptions, device: str) -> Catalogue:
        """Return the half of a dataset that planning needs."""
        return self._once(load(Group.DATASET, options.name), options, device)  # type: ignore[no-any-return]

    def dataset(self, options: ComponentOptions, device: str) -> Dataset:
        """Return a dataset that reads frames."""
        return self._once(implementation(load(Group.DATASET, options.name)), options, device)  # type: ignore[no-any-return]

    def card(self, options: ComponentOptions, device: str) -> Card:
        """Return a method's card. Only a method that has it in its instances alone is built for that."""
        component = load(Group.BASELINE, options.name)
        if hasattr(component, "card_of"):
            card: Card = component.card_of(options)
            return card
        card_of_class = getattr(component, "card", None)
        return card_of_class if isinstance(card_of_class, Card) else self.method(options, device).card

    def method(self, options: ComponentOptions, device: str) -> Method:
        """Return a method that renders."""
        return self._once(implementation(load(Group.BASELINE, options.name)), options, device)  # type: ignore[no-any-return]

    def oracle_identity(self, options: ComponentOptions, device: str) -> OracleIdentity:
        """Return the half of an oracle that planning needs."""
        return self._once(load(Group.ORACLE, options.name), options, device)  # type: ignore[no-any-return]

    def oracle(self, options: ComponentOptions, device: str) -> Oracle:
        """Return an oracle that answers; those that read pixels answer through the cache."""
        from evalkit.oracles.cache import cached

        return cached(self._once(implementation(load(Group.ORACLE, options.name)), options, device))

    def planner(self, config: RunConfig, device: str) -> Planner:
        """Return the half of a protocol that plans."""
        component = load(Group.PROTOCOL, config.protocol.name)
        oracle = self.oracle_identity(config.oracle, device) if component.uses_oracle else None
        planner: Planner = component(config.protocol, self.catalogue(config.dataset, device), oracle, config.seed)
        return planner

    def protocol(self, config: RunConfig, device: str) -> Protocol:
        """Return a protocol that scores."""
        component = implementation(load(Group.PROTOCOL, config.protocol.name))
        oracle = self.oracle(config.oracle, device) if component.uses_oracle else None
        protocol: Protocol = component(config.protocol, self.dataset(config.dataset, device), oracle, config.seed)
        return protocol

    def notes(self) -> list[str]:
        """Return what the components want the user to know, such as frames left out; each note once."""
        return list(dict.fromkeys(note for part in self.built.values() for note in getattr(part, "notes", ())))

    def _once(self, component: Callable[[ComponentOptions, str], Any], options: ComponentOptions, device: str) -> Any:
        key = (f"{component.__module__}.{component.__qualname__}", options.model_dump_json(), device)
        if key not in self.built:
            self.built[key] = component(options, device)
        return self.built[key]
