"""What becomes of fixed documents when something about them was wrong: 修正, 返還, 取消 (D6, D41)."""
