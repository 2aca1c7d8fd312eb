"""The conversion with Apache Beam."""
