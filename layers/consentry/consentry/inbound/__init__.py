"""What comes back by email: replies, reports, bounces and complaints."""
