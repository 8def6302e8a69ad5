"""What others know to be unsafe: checkov's rules over the template, known vulnerabilities of the packages that ship."""
