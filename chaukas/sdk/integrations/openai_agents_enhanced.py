"""The integration of the Agents SDK under its published name."""

from .openai_agents import OpenAIAgentsEnhancedWrapper

__all__ = ("OpenAIAgentsEnhancedWrapper",)
